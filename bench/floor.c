/* What any UDP server costs on this machine: takes queries in batches, marks them as answers, sends them back. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define N 64

static char data[N][2048];
static struct sockaddr_in from[N];
static struct iovec vector[N];
static struct mmsghdr header[N];

int main(int count, char **words) {
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons(atoi(words[count - 1]))};
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(fd, (void *)&self, sizeof self) != 0) return 1;
  for (;;) {
    for (int i = 0; i < N; i++) {
      vector[i].iov_base = data[i];
      vector[i].iov_len = sizeof data[i];
      memset(&header[i], 0, sizeof header[i]);
      header[i].msg_hdr.msg_name = &from[i];
      header[i].msg_hdr.msg_namelen = sizeof from[i];
      header[i].msg_hdr.msg_iov = &vector[i];
      header[i].msg_hdr.msg_iovlen = 1;
    }
    int n = recvmmsg(fd, header, N, MSG_WAITFORONE, NULL);
    for (int i = 0; i < n; i++) {
      data[i][2] |= 0x80;
      vector[i].iov_len = header[i].msg_len;
    }
    for (int done = 0; done < n;) {
      int sent = sendmmsg(fd, header + done, n - done, 0);
      if (sent <= 0) break;
      done += sent;
    }
  }
}
