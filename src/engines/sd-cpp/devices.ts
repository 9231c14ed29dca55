// Which devices a binary computes on, and which one the operator's choice means. Pure but for asking the binary.
import { Failure } from '../../protocol/failure.ts';
import type { GpuChoice } from '../engine.ts';

export type Device = { readonly name: string; readonly description: string };

/** `--list-devices` prints one `NAME<TAB>description` a line. */
export function parseDevices(stdout: string): Device[] {
  return stdout.split(/\r?\n/).flatMap((line) => {
    const [, name, description] = /^([^\t[\]]+)\t(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name: name.trim(), description: description?.trim() ?? '' }];
  });
}

const NAME_OF: Readonly<Record<Exclude<GpuChoice, 'auto' | 'cpu'>, RegExp>> = {
  cuda: /^cuda/i,
  vulkan: /^vulkan/i,
  metal: /^(metal|mtl)/i,
};

export type Backend = {
  /** What the weights will be computed on, for people and for the memory book. */
  readonly name: string;
  /** The value of `--backend`; absent: the binary chooses. */
  readonly flag?: string;
  readonly isCpu: boolean;
};

/**
 * `devices` is undefined when the binary is too old to say. A demand that cannot be shown to be met is refused: an hour
 * on the CPU is no answer to "use the graphics card".
 */
export function chooseBackend(gpu: GpuChoice, devices: readonly Device[] | undefined, version: string): Backend {
  if (gpu === 'cpu') return { name: 'cpu', flag: 'cpu', isCpu: true };
  if (gpu === 'auto') {
    const first = devices?.find(({ name }) => !isCpu(name));
    return { name: first?.name ?? (devices ? 'cpu' : 'unknown'), isCpu: devices !== undefined && !first };
  }
  if (!devices) {
    throw new Failure(
      'ENGINE_UNAVAILABLE',
      `\`gpu = "${gpu}"\` is set, and this stable-diffusion.cpp (${version}) is too old to say what it computes on; ` +
        'install build 747 or newer',
    );
  }
  const match = devices.find(({ name }) => NAME_OF[gpu].test(name));
  if (match) return { name: match.name, flag: match.name, isCpu: false };
  const have = devices.map(({ name, description }) => `${name} (${description})`).join(', ') || 'none';
  throw new Failure(
    'ENGINE_UNAVAILABLE',
    `\`gpu = "${gpu}"\` is set, and stable-diffusion.cpp (${version}) has no ${gpu} device; it lists: ${have}. ` +
      `Install a build for ${gpu} and its driver, or set \`gpu\` to what is there`,
  );
}

function isCpu(name: string): boolean {
  return /^cpu/i.test(name);
}
