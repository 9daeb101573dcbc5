/* The client's own lines in the log: one for each thing that went wrong, each one line. */
#ifndef LOG_H
#define LOG_H

#include "span.h"

enum log_level { LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines as JSON, which Lambda wants where AWS_LAMBDA_LOG_FORMAT says so and where several events run at once. */
void log_as_json(bool json);
/* `request` is the id of the event that it is about; absent when it is about none. Control characters become `?`. */
__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, struct span request, const char *format, ...);
/* One line, then the end of the client with exit code 1. */
__attribute__((format(printf, 1, 2))) _Noreturn void log_fatal(const char *format, ...);
/* What is to be done before the client ends. */
extern void (*log_before_end)(void);
_Noreturn void log_end(int code);

/* For printf's %.*s. */
#define PRINTED(span) (int)((span).size > 1024 ? 1024 : (span).size), (span).at == NULL ? "" : (span).at

#endif
