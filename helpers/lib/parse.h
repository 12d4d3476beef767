/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns words of an operator into values, or refuses them; nothing else in the tree converts text. */
#ifndef NFTWARD_PARSE_H
#define NFTWARD_PARSE_H

#include <stdint.h>

int parse_number(const char *word, uint64_t min, uint64_t max, uint64_t *ret);
int parse_duration(const char *word, uint64_t max_s, uint64_t *ret_s);

#endif
