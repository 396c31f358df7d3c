/* The level with matrix tiles. */
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/cpu/cpu.h"

enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* arch_prctl: ARCH_REQ_XCOMP_PERM */

bool as_cpu_amx_permit(void)
{
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

void as_cpu_overlay_amx(as_backend *table)
{
    (void)table;
}
