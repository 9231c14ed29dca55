// How much memory the device has, and how we know. Asked once at start; it changes with hardware only.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type MemoryReading, parseBytes, parseNvidiaSmi, parseProcNvidia } from './memory-text.ts';
import { outputOf, type ToolOptions } from './system-tool.ts';

export type ProbedDevice = {
  /** GiB of all devices together, 0 when unknown. */
  readonly totalGb: number;
  /** Where the figure comes from, for `status` and the log. */
  readonly source: 'nvidia-proc' | 'nvidia-smi' | 'amd-sysfs' | 'sysctl' | 'windows-cim' | 'unknown';
  /** What could not be understood on the way, as lines to log. */
  readonly warnings: readonly string[];
};

export type ProbeOptions = ToolOptions & {
  readonly platform?: NodeJS.Platform;
  /** In front of `/proc` and `/sys`. */
  readonly fsRoot?: string;
};

/** Apple silicon shares memory between CPU and GPU; the system lets a GPU use about three quarters of it. */
export const SHARED_MEMORY_PART = 0.75;

/** Not so for a Mac, whose GPU computes in RAM, and for a machine without a known GPU. */
export function hasMemoryOfItsOwn({ source }: Pick<ProbedDevice, 'source'>): boolean {
  return source !== 'sysctl' && source !== 'unknown';
}

type Attempt = { source: ProbedDevice['source']; read: () => Promise<MemoryReading> };

export async function probeDevice(options: ProbeOptions = {}): Promise<ProbedDevice> {
  const warnings: string[] = [];
  for (const { source, read } of attemptsOn(options.platform ?? process.platform, options)) {
    const { gib, badLines } = await read();
    for (const line of badLines) warnings.push(`${source}: line not understood: ${line}`);
    if (gib > 0) return { totalGb: round(gib), source, warnings };
  }
  return { totalGb: 0, source: 'unknown', warnings };
}

function attemptsOn(platform: NodeJS.Platform, options: ProbeOptions): Attempt[] {
  const root = options.fsRoot ?? '/';
  const tool = (command: string, args: string[], parse: (text: string) => MemoryReading) => async () =>
    parse(await outputOf(command, args, options));
  const nvidiaSmi: Attempt = {
    source: 'nvidia-smi',
    read: tool('nvidia-smi', ['--query-gpu=memory.total', '--format=csv,noheader,nounits'], parseNvidiaSmi),
  };
  switch (platform) {
    case 'linux':
      return [
        { source: 'nvidia-proc', read: () => readAll(root, 'proc/driver/nvidia/gpus', 'information', parseProcNvidia) },
        nvidiaSmi,
        { source: 'amd-sysfs', read: () => readAll(root, 'sys/class/drm', 'device/mem_info_vram_total', parseBytes) },
      ];
    case 'darwin':
      return [{ source: 'sysctl', read: async () => part(await tool('sysctl', ['-n', 'hw.memsize'], parseBytes)()) }];
    case 'win32':
      return [
        nvidiaSmi,
        // AdapterRAM is a 32-bit number, so it says at most 4 GiB. Better than nothing for a card that is not NVIDIA's.
        {
          source: 'windows-cim',
          read: tool('powershell', ['-NoProfile', '-NonInteractive', '-Command', CIM], parseBytes),
        },
      ];
    default:
      return [];
  }
}

const CIM = '(Get-CimInstance Win32_VideoController).AdapterRAM';

function part({ gib, badLines }: MemoryReading): MemoryReading {
  return { gib: gib * SHARED_MEMORY_PART, badLines };
}

/** The file `name` of every entry of a folder; those without one are no devices of this kind. */
async function readAll(root: string, folder: string, name: string, parse: (text: string) => MemoryReading) {
  const dir = path.join(root, folder);
  const entries = await readdir(dir).catch(() => []);
  // `card0`, and not its connectors (`card0-HDMI-A-1`), which lead to the same device again.
  const devices = entries.filter((entry) => !/^(card\d+-|renderD|version$)/.test(entry));
  const texts = await Promise.all(
    devices.map((entry) => readFile(path.join(dir, entry, name), 'utf8').catch(() => '')),
  );
  return parse(texts.join('\n'));
}

/** To a hundredth of a GiB: the figure is shown to people. */
function round(gib: number): number {
  return Math.round(gib * 100) / 100;
}
