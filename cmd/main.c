/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/config_text.h"
#include "cmd/report.h"
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

static int write_config(const struct options *options)
{
	struct err err = { 0 };

	if (config_write(options->settings, options->write_config_to, &err) < 0) {
		log_error("configuration not written", LOG_STR("reason", err.msg));
		return EXIT_FAILURE;
	}
	log_info("configuration written", LOG_STR("file", options->write_config_to));
	return EXIT_SUCCESS;
}

/* What kube-proxy's flags make of run comes in kube-proxy's order. */
static int run(const struct options *options)
{
	if (options->write_config_to != NULL)
		return write_config(options);
	if (options->cleanup)
		return command_cleanup(options);
	return options->init_only ? command_init(options) : command_run(options);
}

static int dispatch(const struct options *options)
{
	if (options->help)
		return print_help(options->command);
	if (options->version)
		return print_version();
	log_setup(options->log_format, options->verbosity);
	report_settings(&options->findings);
	switch (options->command) {
	case COMMAND_RUN:
		return run(options);
	case COMMAND_DIFF:
		return command_diff(options);
	case COMMAND_PLAN:
		return command_plan(options);
	case COMMAND_CLEANUP:
		return command_cleanup(options);
	case COMMAND_VERSION:
		return print_version();
	}
	return EXIT_USAGE;
}

/* Where one of these was closed, a socket would take its number, and what is logged would be sent to
 * the kernel or to the API server. */
static void fill_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct err err = { 0 };
	int ret;

	fill_standard_fds();
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help(0) == EXIT_SUCCESS && argc >= 2 ? EXIT_SUCCESS : EXIT_USAGE;
	if (options_parse(argc, argv, &options, &err) < 0) {
		(void)fprintf(stderr, "kubenft: %s\n", err.msg);
		return EXIT_USAGE;
	}
	ret = dispatch(&options);
	options_done(&options);
	return ret;
}
