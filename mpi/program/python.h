/* The Python side, as the program names it: what it says at its end is to work as it stands. */
#ifndef FACET_PROGRAM_PYTHON_H
#define FACET_PROGRAM_PYTHON_H

/* Prints, without a line's end, "next: PYTHON -m facet report OUTPUT/study.h5". PYTHON is that of `make venv` where the
 * program lies in the build of a clone that has it: a path from the working folder if it lies below that, else an
 * absolute one. It is python3 everywhere else. */
void facet_say_report(const char *output);

#endif
