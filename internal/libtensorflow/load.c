#define _GNU_SOURCE // F_DUPFD_CLOEXEC

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The table of functions.S. ld gives the symbols at the ends of the section.
struct function {
	const char *name;
	void *address;
};
extern struct function __start_libtensorflow[], __stop_libtensorflow[];

void libtensorflow_unloaded(void) {
	static const char text[] = "driftbench: TensorFlow was called before it was loaded.\n";
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	abort();
}

// open_library returns NULL with what went wrong in message, of that size.
static void *open_library(char *message, size_t size) {
	static const char *const names[] = {"libtensorflow_cc.so.2", "libtensorflow.so.2", "libtensorflow.so"};
	size_t used = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		void *library = dlopen(names[i], RTLD_LAZY | RTLD_LOCAL);
		if (library) return library;
		if (used < size) used += snprintf(message + used, size - used, "%s%s", i > 0 ? "; " : "", dlerror());
	}
	return NULL;
}

// open_silently is open_library with stderr sent to nowhere.
static void *open_silently(char *message, size_t size) {
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (saved >= 0 && null >= 0) dup2(null, STDERR_FILENO);
	void *library = open_library(message, size);
	if (saved >= 0) dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	return library;
}

static void *loaded;

// libtensorflow_symbol returns the address of any symbol of the library and of those
// it needs, or NULL.
void *libtensorflow_symbol(const char *name) { return loaded ? dlsym(loaded, name) : NULL; }

// libtensorflow_load returns whether all went well, or else with message, of that
// size, says what did not.
int libtensorflow_load(char *message, size_t size) {
	const char *level = getenv("TF_CPP_MIN_LOG_LEVEL");
	void *library = (level && strcmp(level, "3") == 0 ? open_silently : open_library)(message, size);
	if (!library) return 0;
	for (struct function *f = __start_libtensorflow; f < __stop_libtensorflow; f++) {
		void *address = dlsym(library, f->name);
		if (!address) {
			snprintf(message, size, "its library has no function %s", f->name);
			return 0;
		}
		f->address = address;
	}
	loaded = library;
	return 1;
}
