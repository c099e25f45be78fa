/* Signals become a flag that stages look at between tiles and training steps. */
#include <signal.h>

#include "agree.h"

static volatile sig_atomic_t caught;

static void remember(int signal_number)
{
  caught = signal_number;
}

void facet_interrupt_listen(void)
{
  static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
  struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  caught = 0;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    sigaction(signals[i], &action, NULL);
}

bool facet_interrupted(void)
{
  return caught != 0;
}

facet_status facet_interrupt_check(void)
{
  return caught ? facet_raise(FACET_INTERRUPTED, "interrupted; run the same command again to go on") : FACET_OK;
}
