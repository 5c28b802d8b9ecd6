// fault runs a command and makes its system calls on some files go wrong.
// Go calls the kernel directly, so no preloaded library sees them: a seccomp
// filter asks this process about each. It needs no privilege, and gives up
// root's to read and write everything.
//
//   fault KIND NTH PREFIX COUNT COMMAND...
//
// Counted are the calls on paths that begin with PREFIX; from the NTH on they
// fail, and for 0 none does. KIND is
//   full  writes, and what makes files and folders, fail with ENOSPC; a sync
//         does only as the NTH
//   eio   reads fail with EIO
//   kill  the NTH of all that changes the folder ends the command by SIGKILL
// The number of calls goes to the file COUNT, the exit status is the command's.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what) {
	perror(what);
	exit(125);
}

// call is a system call and where it has its path: in a descriptor or in
// memory.
struct call {
	int nr, fd, path;
};

static const struct call reads[] = {{SYS_read, 0, -1}, {SYS_pread64, 0, -1}, {-1, -1, -1}};
static const struct call writes[] = {{SYS_write, 0, -1}, {SYS_pwrite64, 0, -1}, {SYS_fsync, 0, -1}, {SYS_fdatasync, 0, -1},
	{SYS_ftruncate, 0, -1}, {SYS_fallocate, 0, -1}, {SYS_openat, -1, 1}, {SYS_mkdirat, -1, 1}, {-1, -1, -1}};
static const struct call changes[] = {{SYS_write, 0, -1}, {SYS_pwrite64, 0, -1}, {SYS_fsync, 0, -1}, {SYS_fdatasync, 0, -1},
	{SYS_ftruncate, 0, -1}, {SYS_openat, -1, 1}, {SYS_mkdirat, -1, 1}, {SYS_unlinkat, -1, 1}, {SYS_renameat, -1, 3}, {-1, -1, -1}};

static int install(const struct call *calls) {
	struct sock_filter code[64];
	int n = 0;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (; calls->nr >= 0; calls++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls->nr, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = n, .filter = code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
	// Go's signals must not make it ask twice about one call.
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
}

// drop makes root as weak as any user, for good where no exec gives new
// privileges, as install asks. Nobody else has anything to drop.
static int drop(void) {
	if (geteuid() != 0) return 0;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	return syscall(SYS_capset, &head, none);
}

// path_of finds the path that a call is about; "" when it has none.
static void path_of(const struct seccomp_notif *req, const struct call *c, char *path, size_t size) {
	char name[64];
	path[0] = 0;
	if (c->path < 0) {
		snprintf(name, sizeof name, "/proc/%d/fd/%d", req->pid, (int)req->data.args[c->fd]);
		ssize_t n = readlink(name, path, size - 1);
		path[n < 0 ? 0 : n] = 0;
		return;
	}
	snprintf(name, sizeof name, "/proc/%d/mem", req->pid);
	int mem = open(name, O_RDONLY | O_CLOEXEC);
	if (mem < 0) die(name);
	ssize_t n = pread(mem, path, size - 1, req->data.args[c->path]); // may end early where the memory does
	path[n < 0 ? 0 : n] = 0;
	close(mem);
}

int main(int argc, char **argv) {
	if (argc < 6) {
		fprintf(stderr, "usage: fault full|eio|kill NTH PREFIX COUNT COMMAND...\n");
		return 125;
	}
	const char *kind = argv[1], *prefix = argv[3];
	int eio = strcmp(kind, "eio") == 0, deadly = strcmp(kind, "kill") == 0;
	long nth = atol(argv[2]), count = 0;
	const struct call *calls = eio ? reads : deadly ? changes : writes;

	int *listener = mmap(NULL, sizeof *listener, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (listener == MAP_FAILED) die("fault: mmap");
	// With one table of descriptors, which the exec below parts, the child's
	// listener is this process's too.
	pid_t child = syscall(SYS_clone, SIGCHLD | CLONE_FILES, 0, 0, 0, 0);
	if (child < 0) die("fault: clone");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int fd = drop();
		if (fd < 0) perror("fault: dropping privileges");
		else if ((fd = install(calls)) < 0) perror("fault: installing the filter");
		__atomic_store_n(listener, fd, __ATOMIC_SEQ_CST);
		if (fd >= 0) {
			execvp(argv[5], argv + 5);
			perror(argv[5]);
		}
		_exit(125);
	}
	int fd;
	while ((fd = __atomic_load_n(listener, __ATOMIC_SEQ_CST)) == 0) {
		siginfo_t ended = {0};
		if (waitid(P_PID, child, &ended, WEXITED | WNOHANG | WNOWAIT) < 0) die("fault: waiting");
		if (ended.si_pid != 0 && __atomic_load_n(listener, __ATOMIC_SEQ_CST) == 0) break;
		usleep(100);
	}
	if (fd <= 0) return 125;

	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct seccomp_notif req;
	while (poll(&p, 1, -1) > 0 && !(p.revents & POLLHUP)) {
		memset(&req, 0, sizeof req);
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0) continue; // killed meanwhile
		const struct call *c = calls;
		while (c->nr != req.data.nr) c++;
		char path[4096];
		path_of(&req, c, path, sizeof path);
		int about = strncmp(path, prefix, strlen(prefix)) == 0;
		if (c->nr == SYS_openat && !(req.data.args[2] & O_CREAT)) about = 0;
		if (about) count++;
		// A full disk takes what it has taken already.
		int syncs = c->nr == SYS_fsync || c->nr == SYS_fdatasync;
		int wrong = about && nth > 0 && (syncs ? count == nth : count >= nth);
		if (wrong && deadly) {
			kill(child, SIGKILL);
			continue;
		}
		struct seccomp_notif_resp resp = {.id = req.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		if (wrong) resp = (struct seccomp_notif_resp){.id = req.id, .error = eio ? -EIO : -ENOSPC};
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
	int status;
	if (waitpid(child, &status, 0) < 0) die("fault: waiting");
	FILE *f = fopen(argv[4], "w");
	if (!f || fprintf(f, "%ld\n", count) < 0 || fclose(f)) die(argv[4]);
	if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}
