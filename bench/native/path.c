// path NEAR FAR DELAY_MS MBIT QUEUE_KIB: a long path between two network devices that it makes (TUN), for kernels without
// netem. What enters one device leaves the other after DELAY_MS, at most MBIT, and is dropped where more than QUEUE_KIB would
// wait. Real TCP runs on both ends; only the wire is ours. Says "ready" when both devices are there; ends with its stdin.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { slots = 1 << 16, packet_bytes = 1600, batch = 64 };

// One direction: a ring of packets, each with the moment at which it arrives.
struct way {
  int from, to;
  char (*packets)[packet_bytes];
  int *lengths;
  double *arrivals;
  unsigned first, next;
  double link_free;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static int device(const char *name) {
  int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (file < 0 || ioctl(file, TUNSETIFF, &request) < 0) {
    perror("/dev/net/tun");
    exit(1);
  }
  return file;
}

static struct way way(int from, int to) {
  struct way made = {.from = from, .to = to};
  made.packets = malloc((size_t)slots * packet_bytes);
  made.lengths = malloc(slots * sizeof *made.lengths);
  made.arrivals = malloc(slots * sizeof *made.arrivals);
  if (!made.packets || !made.lengths || !made.arrivals) exit(1);
  return made;
}

// Takes what has come in: it waits for the link, then for the distance.
static int take(struct way *way, double delay, double rate, double queue) {
  int taken = 0;
  double time = now();
  for (; taken < batch && way->next - way->first < slots; taken++) {
    unsigned slot = way->next % slots;
    int length = read(way->from, way->packets[slot], packet_bytes);
    if (length <= 0) break;
    if (way->link_free < time) way->link_free = time;
    if ((way->link_free - time) * rate > queue) continue;
    way->link_free += length / rate;
    way->lengths[slot] = length;
    way->arrivals[slot] = way->link_free + delay;
    way->next++;
  }
  return taken;
}

// Hands out what has arrived.
static int give(struct way *way) {
  int given = 0;
  double time = now();
  for (; way->first != way->next && way->arrivals[way->first % slots] <= time; given++, way->first++) {
    unsigned slot = way->first % slots;
    // A device that is down or full loses it, as a wire would.
    if (write(way->to, way->packets[slot], way->lengths[slot]) < 0) continue;
  }
  return given;
}

int main(int count, char **words) {
  if (count != 6) return 2;
  double delay = atof(words[3]) / 1e3, rate = atof(words[4]) * 1e6 / 8, queue = atof(words[5]) * 1024;
  int near = device(words[1]), far = device(words[2]);
  struct way ways[2] = {way(near, far), way(far, near)};
  puts("ready");
  fflush(stdout);
  for (;;) {
    int moved = 0;
    for (int i = 0; i < 2; i++) moved += take(&ways[i], delay, rate, queue) + give(&ways[i]);
    if (moved > 0) continue;
    int empty = ways[0].first == ways[0].next && ways[1].first == ways[1].next;
    struct pollfd waits[3] = {{near, POLLIN, 0}, {far, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    struct timespec moment = {0, 50 * 1000};
    ppoll(waits, 3, empty ? NULL : &moment, NULL);
    if (waits[2].revents != 0) return 0;
  }
}
