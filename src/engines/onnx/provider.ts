// Which of ONNX Runtime's backends computes here. Decided by looking at the disk: asking the runtime for a provider whose
// library is missing can end the process, which no `catch` sees.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { GpuChoice } from '../engine.ts';

export type Provider = 'cpu' | 'cuda';
export type ProviderChoice = { readonly provider: Provider /** Why it is not a GPU. */; readonly why?: string };

/** What is looked at; tests bring their own. */
export type ProviderMachine = {
  readonly platform: NodeJS.Platform;
  /** The folder of the runtime's own library, beside which it looks for those of its providers. */
  readonly runtimeDir: string;
  exists(path: string): boolean;
  /** Whether the system's loader would find a library of this name. */
  loadable(library: string): boolean;
};

const PROVIDER_LIBRARIES: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'],
  win32: ['onnxruntime_providers_cuda.dll', 'onnxruntime_providers_shared.dll'],
};
/** What the CUDA 12 provider links against. On Windows they are the operator's to have in PATH. */
const CUDA_LIBRARIES = [
  ...['libcudart.so.12', 'libcublas.so.12', 'libcublasLt.so.12', 'libcurand.so.10', 'libcufft.so.11'],
  'libcudnn.so.9',
];
/** The driver's device: without it there is no card, or no driver for it. */
const NVIDIA_DEVICE = '/dev/nvidiactl';

export function thisMachine(): ProviderMachine {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  let cache: string | undefined;
  return {
    platform: process.platform,
    runtimeDir: join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch),
    exists: existsSync,
    loadable(library) {
      const folders = (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((each) => each !== '');
      if (folders.some((folder) => existsSync(join(folder, library)))) return true;
      // The loader's own list of libraries holds their names as plain text.
      cache ??= existsSync('/etc/ld.so.cache') ? readFileSync('/etc/ld.so.cache', 'latin1') : '';
      return cache.includes(`${library}\0`);
    },
  };
}

/** Rejects a demand that cannot be met with `ENGINE_UNAVAILABLE`; `auto` takes CUDA only when all of it is there. */
export function chooseProvider(gpu: GpuChoice, machine: ProviderMachine): ProviderChoice {
  if (gpu === 'cpu') return { provider: 'cpu', why: 'as configured' };
  if (gpu === 'vulkan' || gpu === 'metal') {
    throw new Failure('ENGINE_UNAVAILABLE', `onnx engine cannot compute on ${gpu}: set gpu to cuda, cpu or auto`);
  }
  const missing = missingForCuda(machine);
  if (missing === undefined) return { provider: 'cuda' };
  if (gpu === 'auto') return { provider: 'cpu', why: missing };
  throw new Failure('ENGINE_UNAVAILABLE', `onnx engine cannot compute on cuda: ${missing}`);
}

function missingForCuda({ platform, runtimeDir, exists, loadable }: ProviderMachine): string | undefined {
  const libraries = PROVIDER_LIBRARIES[platform];
  if (!libraries) return `ONNX Runtime has no CUDA provider for ${platform}`;
  if (platform === 'linux' && !exists(NVIDIA_DEVICE)) return `there is no NVIDIA driver (${NVIDIA_DEVICE})`;
  const absent = libraries.filter((name) => !exists(join(runtimeDir, name)));
  if (absent.length > 0) {
    return `${absent.join(' and ')} of ONNX Runtime's GPU package must be put into ${runtimeDir}`;
  }
  if (platform !== 'linux') return undefined;
  const unloadable = CUDA_LIBRARIES.filter((name) => !loadable(name));
  return unloadable.length > 0 ? `install CUDA 12 and cuDNN 9: ${unloadable.join(', ')} not found` : undefined;
}
