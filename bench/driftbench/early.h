// stderr_now is the descriptor that the user reads.
extern int stderr_now;

void before_load(char **envp);
void after_go(void);
