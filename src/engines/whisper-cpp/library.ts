// The native library, as far as we use it, and which of its builds is loaded. The package's own loader falls back to the
// CPU build with a warning when a GPU build does not load; here that is a failure, so the builds are loaded directly.
import { createRequire } from 'node:module';
import { Failure } from '../../protocol/failure.ts';
import type { GpuChoice } from '../engine.ts';
import { cardCapability, cudaObstacle } from './cuda-card.ts';

export type NativeSegment = { readonly text: string; readonly t0: number; readonly t1: number };
export type NativeResult = {
  /** All segments' bytes joined before they became a string, so it is whole where a segment's text is not. */
  readonly result: string;
  readonly language?: string;
  readonly segments: readonly NativeSegment[];
};
export type NewSegments = { readonly nNew: number; readonly result: string };
/** Times are milliseconds. `language` left out means English to the library, not detection. */
export type NativeOptions = {
  readonly maxThreads: number;
  readonly language?: string;
  readonly translate?: boolean;
  readonly prompt?: string;
  readonly maxLen?: number;
  readonly tokenTimestamps?: boolean;
  readonly onProgress?: (percent: number) => void;
  readonly onNewSegments?: (found: NewSegments) => void;
};
export type NativeJob = { readonly promise: Promise<NativeResult>; stop(): Promise<void> };
export type NativeContext = {
  /** 16-bit mono at 16 kHz. */
  transcribeData(samples: ArrayBuffer, options: NativeOptions): NativeJob;
  release(): Promise<void>;
};
export type NativeVad = {
  /** Segments in hundredths of a second. */
  detectSpeechData(samples: ArrayBuffer): Promise<readonly { t0: number; t1: number }[]>;
  release(): Promise<void>;
};
type ContextClass = {
  new (options: { filePath: string; useGpu: boolean }): NativeContext;
  toggleNativeLog(enable: boolean, listener?: (level: string, text: string) => void): void;
};
export type Library = {
  readonly WhisperContext: ContextClass;
  readonly ParakeetContext: ContextClass;
  readonly WhisperVadContext: new (options: { filePath: string; useGpu: boolean; nThreads: number }) => NativeVad;
};
export type Variant = 'default' | 'cuda' | 'vulkan';
export type LoadedLibrary = {
  readonly library: Library;
  readonly variant: Variant;
  readonly useGpu: boolean;
  /** Why a better build was passed over, for the log. */
  readonly passedOver: readonly string[];
};

const WRAPPER = '@fugood/whisper.node';
/** What a build needs from the system, by its dynamic links. */
const REMEDIES: Readonly<Record<Variant, string>> = {
  default: `install the optional package of ${WRAPPER} for this platform (npm install without --omit=optional)`,
  cuda: 'install the NVIDIA driver and the CUDA 12 runtime with cuBLAS and NCCL (libcudart12, libcublas12, libnccl2), or choose vulkan',
  vulkan: 'install the Vulkan loader and a driver (libvulkan1, mesa-vulkan-drivers or the NVIDIA driver)',
};

/**
 * Loads the build that the operator's choice demands. `auto` takes the first that loads, and says what it passed over.
 * `device`: the only GPU that this process sees.
 */
export function loadLibrary(gpu: GpuChoice, device?: number): LoadedLibrary {
  if (gpu === 'cpu') return { ...demand('default'), useGpu: false };
  if (gpu === 'cuda' || gpu === 'vulkan') return { ...demand(gpu, device), useGpu: true };
  if (gpu === 'metal') {
    if (process.platform === 'darwin') return { ...demand('default'), useGpu: true };
    throw new Failure('ENGINE_UNAVAILABLE', 'whisper-cpp cannot use Metal, which only macOS has: choose another gpu');
  }
  const passedOver: string[] = [];
  // macOS has Metal in the default build, and no others.
  const better: Variant[] = process.platform === 'darwin' ? [] : ['cuda', 'vulkan'];
  for (const variant of better) {
    const loaded = attempt(variant, device);
    if ('library' in loaded) return { ...loaded, variant, useGpu: true, passedOver };
    passedOver.push(`${variant}: ${loaded.reason}`);
  }
  const { library, variant } = demand('default');
  return { library, variant, useGpu: process.platform === 'darwin', passedOver };
}

function demand(variant: Variant, device?: number): Omit<LoadedLibrary, 'useGpu'> {
  const loaded = attempt(variant, device);
  if ('library' in loaded) return { library: loaded.library, variant, passedOver: [] };
  const message = `whisper-cpp's ${variant} build cannot be used (${loaded.reason}): ${loaded.remedy}`;
  throw new Failure('ENGINE_UNAVAILABLE', message);
}

function attempt(variant: Variant, device?: number): { library: Library } | { reason: string; remedy: string } {
  if (variant === 'cuda') {
    const capability = cardCapability(device);
    const reason = cudaObstacle(capability, `${process.platform}-${process.arch}`);
    if (reason) return { reason, remedy: capability === undefined ? REMEDIES.cuda : 'choose vulkan' };
  }
  const suffix = variant === 'default' ? '' : `-${variant}`;
  const name = `@fugood/node-whisper-${process.platform}-${process.arch}${suffix}`;
  try {
    // The builds are optional dependencies of the wrapper, so they are looked for from where it lies.
    const fromWrapper = createRequire(createRequire(import.meta.url).resolve(WRAPPER));
    return { library: fromWrapper(name) as Library };
  } catch (thrown) {
    const { code, message = String(thrown) } = thrown as { code?: string; message?: string };
    if (code === 'MODULE_NOT_FOUND')
      return { reason: `the package ${name} is not installed`, remedy: REMEDIES.default };
    return { reason: message.split('\n')[0] ?? message, remedy: REMEDIES[variant] };
  }
}
