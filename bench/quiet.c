// TensorFlow logs to stderr from C++. It takes its log level from the
// environment while its libraries are being loaded, before main, and greets
// once even then. So the level has to be in the environment of the process,
// and that one line has to be kept off by other means.
//
// A function in .preinit_array runs before the constructors of every library,
// one marked constructor after them. The first starts the program again with
// TF_CPP_MIN_LOG_LEVEL set, or, where it asks for silence, leads stderr to
// /dev/null until the second. A user who sets a lower level sees everything.

#include "early.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEVEL "TF_CPP_MIN_LOG_LEVEL="
#define SILENT "3"

// restart runs this program again with one more variable in its environment.
// It returns only when that fails: TensorFlow is then louder, no more.
static void restart(char **argv, char **envp, char *variable) {
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0) return;
	self[n] = 0;
	size_t count = 0;
	while (envp[count]) count++;
	char **env = malloc((count + 2) * sizeof *env);
	if (!env) return;
	memcpy(env, envp, count * sizeof *env);
	env[count] = variable;
	env[count + 1] = NULL;
	hold_interruptions(1); // no handler outlives the exec
	execve(self, argv, env);
	hold_interruptions(0);
	free(env);
}

static void before_libraries(int argc, char **argv, char **envp) {
	(void)argc;
	before_load(envp);
	const char *level = NULL;
	for (char **e = envp; *e; e++)
		if (strncmp(*e, LEVEL, strlen(LEVEL)) == 0) level = *e + strlen(LEVEL);
	if (!level) restart(argv, envp, LEVEL SILENT);
	if (!level || strcmp(level, SILENT) != 0) return;
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
