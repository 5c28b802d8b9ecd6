// What has to be done before the constructors of TensorFlow's libraries run,
// and so before Go's main: .preinit_array runs before them, a constructor of
// the executable after them.

#define _GNU_SOURCE // environ

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOG_LEVEL "TF_CPP_MIN_LOG_LEVEL"
#define SILENT "3"
#define ADDRESS_SPACE (4UL << 30) // with less, libraries abort at random moments

// TensorFlow reads its log level in a constructor, which main is too late for,
// and the C library resets environ after .preinit_array. The dynamic linker
// finds this getenv before the C library's.
char *getenv(const char *name) {
	const size_t n = strlen(name);
	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') return *e + n + 1;
	return strcmp(name, LOG_LEVEL) == 0 ? SILENT : NULL;
}

static int saved_stderr = -1;

static void before_constructors(int argc, char **argv, char **envp) {
	(void)argc, (void)argv;
	environ = envp; // not yet set by the C library

	// Else a file that a library opens gets the number of a closed descriptor,
	// and output goes there. Reading and writing still fail with EBADF.
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);

	struct rlimit space;
	if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur < ADDRESS_SPACE) {
		static const char text[] =
			"driftbench: TensorFlow needs 4 GiB of address space and the limit (ulimit -v) is lower: raise it to 4194304 or more.\n";
		(void)!write(STDERR_FILENO, text, sizeof text - 1);
		_exit(1);
	}

	// The CUDA build logs in a constructor that runs before the level is read.
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0 && strcmp(getenv(LOG_LEVEL), SILENT) == 0 && (saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0)
		dup2(null, STDERR_FILENO);
	close(null);
}

__attribute__((section(".preinit_array"), used)) static void (*const entry)(int, char **, char **) = before_constructors;

__attribute__((constructor)) static void after_constructors(void) {
	if (saved_stderr < 0) return;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
}
