// TensorFlow logs to stderr from C++. It takes its log level from the
// environment while its libraries are being loaded, before main, and greets
// once even then.
//
// This getenv is found before the C library's, and answers the one question
// itself where the user has set nothing. A function in .preinit_array runs before
// the constructors of every library, one marked constructor after them: where
// TensorFlow is to be silent the first leads stderr to /dev/null until the second.
// A user who sets a lower level sees everything.

#define _GNU_SOURCE // environ
#include "early.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LEVEL "TF_CPP_MIN_LOG_LEVEL"
#define SILENT "3"

static char *look_up(char **envp, const char *name) {
	const size_t n = strlen(name);
	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=') return *envp + n + 1;
	return strcmp(name, LEVEL) == 0 ? SILENT : NULL;
}

char *getenv(const char *name) { return look_up(environ, name); }

static void before_libraries(int argc, char **argv, char **envp) {
	(void)argc, (void)argv;
	before_load(envp);
	if (strcmp(look_up(envp, LEVEL), SILENT) != 0) return;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0) return;
	int kept = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (kept >= 0) {
		stderr_now = kept;
		dup2(null, 2);
	}
	close(null);
}

__attribute__((section(".preinit_array"), used))
static void (*const before_libraries_entry)(int, char **, char **) = before_libraries;

__attribute__((constructor)) static void after_libraries(void) {
	int kept = stderr_now;
	if (kept == 2) return;
	dup2(kept, 2);
	stderr_now = 2;
	close(kept);
}
