/* The level with matrix tiles: AMX-BF16 beside AVX-512. */
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/cpu/cpu.h"

enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* arch_prctl: ARCH_REQ_XCOMP_PERM */

void matmul_amx(const as_exec *exec, const as_matmul_args *args);
void expert_matmul_amx(const as_exec *exec, const as_expert_matmul_args *args);

bool as_cpu_amx_permit(void)
{
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

void as_cpu_overlay_amx(as_backend *table)
{
    table->matmul = matmul_amx;
    table->expert_matmul = expert_matmul_amx;
}
