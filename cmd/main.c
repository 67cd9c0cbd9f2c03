/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/version.h"

static int print_help(enum command command)
{
	struct strbuf text = { 0 };
	int ret;

	options_help(&text, command);
	ret = fputs(text.text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	strbuf_done(&text);
	return ret;
}

static int print_version(void)
{
	int n = printf("kubenft %s\n", kubenft_version());

	return n > 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct err err = { 0 };

	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help(0) == EXIT_SUCCESS && argc >= 2 ? EXIT_SUCCESS : EXIT_USAGE;
	if (strcmp(argv[1], "--version") == 0)
		return print_version();
	if (options_parse(argc, argv, &options, &err) < 0) {
		(void)fprintf(stderr, "kubenft: %s\n", err.msg);
		return EXIT_USAGE;
	}
	log_setup(options.log_format, options.verbosity);
	if (options.help)
		return print_help(options.command);
	switch (options.command) {
	case COMMAND_RUN:
		return command_run(&options);
	case COMMAND_DIFF:
		return command_diff(&options);
	case COMMAND_PLAN:
		return command_plan(&options);
	case COMMAND_CLEANUP:
		return command_cleanup(&options);
	case COMMAND_VERSION:
		return print_version();
	}
	return EXIT_USAGE;
}
