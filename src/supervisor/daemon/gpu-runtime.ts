// Whether the engines compute on this machine's GPU, in one line for people. Pure.
import type { EngineDescriptor, ProbeReport } from '../../workers/types.ts';
import type { GpuRuntimeView } from './types.ts';

/**
 * `null` while nothing is known, and without a GPU. It is not ok when engines that can compute on a GPU are ready, and
 * all of them compute on the CPU.
 */
export function gpuRuntimeOf(
  engines: readonly Pick<EngineDescriptor, 'id' | 'probeUrl'>[],
  report: (engineId: string) => ProbeReport | undefined,
  hasGpu: boolean,
): GpuRuntimeView | null {
  const seen = engines.flatMap(({ id }) => {
    const { ready, backend, devices, detail } = report(id) ?? {};
    return ready === true && backend !== undefined ? [{ id, backend, devices, detail }] : [];
  });
  const onGpu = seen.filter(({ backend }) => backend !== 'cpu');
  if (onGpu.length > 0) {
    const parts = onGpu.map(({ id, backend, devices }) => {
      const where = devices === undefined || devices.length === 0 ? '' : ` on ${devices.join(', ')}`;
      return `${id}: ${backend}${where}`;
    });
    return { ok: true, detail: parts.join('; ') };
  }
  if (!hasGpu || seen.length === 0) return null;
  return {
    ok: false,
    detail: `${seen.map(({ id }) => id).join(', ')} compute on the CPU, though there is a GPU; \`studio-worker doctor\` says what is missing`,
  };
}
