// SPDX-License-Identifier: GPL-2.0-or-later
// Keys of sets with intervals as the numbers they are, in the order of the wire.
#include "interval_key.h"

/* interval_key_next - one more. Returns false where the key was the last of all, and now is the first. */
bool interval_key_next(uint8_t *key, size_t bytes)
{
	for (size_t i = bytes; i-- > 0;) {
		if (++key[i])
			return true;
	}
	return false;
}

/* interval_key_previous - one less. Returns false where the key was the first of all, and now is the last. */
bool interval_key_previous(uint8_t *key, size_t bytes)
{
	for (size_t i = bytes; i-- > 0;) {
		if (key[i]--)
			return true;
	}
	return false;
}
