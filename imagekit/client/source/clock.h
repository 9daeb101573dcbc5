/* Milliseconds. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Since some moment; never goes back. */
int64_t clock_steady(void);
/* Since 1970. */
int64_t clock_real(void);

#endif
