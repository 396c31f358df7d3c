/* What happens when a mapped file becomes shorter while it is read: its pages are gone, and the kernel sends
 * SIGBUS to whoever touches one. */
#ifndef AS_BASE_MAP_FAULT_H
#define AS_BASE_MAP_FAULT_H

#include <stddef.h>

/* From here on such a fault in a mapping that is noted ends the process with a message that names the file,
 * and with this status. Any other fault stays what it is. For main. */
void as_map_fault_exit(int status);

/* Notes a mapping, and forgets it. Of many hundred at once the last are not noted. Any thread. */
void as_map_fault_note(const void *at, size_t size, const char *path);
void as_map_fault_forget(const void *at);

#endif
