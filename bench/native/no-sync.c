// Preloaded into a daemon: its syncs do nothing and succeed. The control of the durable rows; never use it for anything else.
int fsync(int file) {
  (void)file;
  return 0;
}

int fdatasync(int file) {
  (void)file;
  return 0;
}
