// stderr_now is the descriptor that the user reads.
extern int stderr_now;

void before_load(void);
void after_go(void);
void hold_interruptions(int hold);
