/* bootstrap.conf: what is taken keeps the promises of configuration.h. */
#include "configuration.h"

#include <stdlib.h>
#include <string.h>

static void check(const struct configuration *configuration) {
    if (configuration->mode == MODE_NONE || configuration->argument_count == 0)
        abort();
    if (configuration->arguments[0][0] != '/' || configuration->arguments[configuration->argument_count] != NULL)
        abort();
    for (size_t i = 0; i < configuration->argument_count; i++)
        if (strlen(configuration->arguments[i]) > CONFIGURATION_LIMIT)
            abort();
    for (size_t i = 0; i < configuration->variable_count; i++)
        if (strchr(configuration->variables[i], '=') == NULL)
            abort();
    if (configuration->content_type != NULL && strpbrk(configuration->content_type, "\r\n") != NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct configuration configuration;
    struct mistake mistake;
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    if (configuration_parse(text, size, &configuration, &mistake))
        check(&configuration);
    else if (mistake.text == NULL)
        abort();
    free(text);
    return 0;
}
