// The GPUs of this machine, one by one, with what is free on each right now. It asks the one source that the probe at the
// start has found (probe.ts), so that both always speak of the same devices; without a GPU it starts no program.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type Device,
  NVIDIA_QUERY,
  parseAmdDevice,
  parseCimDevices,
  parseNvidiaDevices,
  parseProcNvidiaDevice,
  parseVmStat,
} from './device-text.ts';
import { type ProbedDevice, type ProbeOptions, SHARED_MEMORY_PART } from './probe.ts';
import { outputOf } from './system-tool.ts';

export type ListOptions = Omit<ProbeOptions, 'platform'>;

/** Empty when there is none, or when the source has nothing to say right now. */
export async function listDevices(source: ProbedDevice['source'], options: ListOptions = {}): Promise<Device[]> {
  switch (source) {
    case 'nvidia-proc': {
      const devices = await nvidiaSmi(options);
      return devices.length > 0 ? devices : nvidiaProc(options);
    }
    case 'nvidia-smi':
      return nvidiaSmi(options);
    case 'amd-sysfs':
      return amdSysfs(options);
    case 'sysctl':
      return apple(options);
    case 'windows-cim':
      return parseCimDevices(await outputOf('powershell', CIM, options));
    case 'unknown':
      return [];
  }
}

const CIM = [
  ...['-NoProfile', '-NonInteractive', '-Command'],
  'Get-CimInstance Win32_VideoController | Select-Object Name,AdapterRAM | ConvertTo-Json -Compress',
];

async function nvidiaSmi(options: ListOptions): Promise<Device[]> {
  return parseNvidiaDevices(await outputOf('nvidia-smi', NVIDIA_QUERY, options));
}

async function nvidiaProc({ fsRoot = '/' }: ListOptions): Promise<Device[]> {
  const dir = path.join(fsRoot, 'proc/driver/nvidia/gpus');
  const entries = (await readdir(dir).catch(() => [])).sort();
  const texts = await Promise.all(entries.map((entry) => textOf(path.join(dir, entry, 'information'))));
  return texts.flatMap((text, index) => parseProcNvidiaDevice(text, index) ?? []);
}

async function amdSysfs({ fsRoot = '/' }: ListOptions): Promise<Device[]> {
  const dir = path.join(fsRoot, 'sys/class/drm');
  // `card0`, and not its connectors (`card0-HDMI-A-1`), which lead to the same device again.
  const cards = (await readdir(dir).catch(() => [])).filter((entry) => /^card\d+$/.test(entry));
  const numbers = cards.map((card) => Number(card.slice('card'.length))).sort((a, b) => a - b);
  const files = numbers.map(async (number) => {
    const of = (name: string): Promise<string> => textOf(path.join(dir, `card${number}`, 'device', name));
    const [total, used, busy, product, uniqueId] = await Promise.all([
      of('mem_info_vram_total'),
      of('mem_info_vram_used'),
      of('gpu_busy_percent'),
      of('product_name'),
      of('unique_id'),
    ]);
    return { total, used, busy, product, uniqueId };
  });
  const found = (await Promise.all(files)).flatMap((each) => parseAmdDevice(each, 0) ?? []);
  // Counted without the cards of other drivers between them, as programs that compute on them do.
  return found.map((device, index) => ({ ...device, index }));
}

/** One device, the chip itself: its GPU may use three quarters of the memory, and at most what is free of all of it. */
async function apple(options: ListOptions): Promise<Device[]> {
  const [bytes, name, vmStat] = await Promise.all([
    outputOf('sysctl', ['-n', 'hw.memsize'], options),
    outputOf('sysctl', ['-n', 'machdep.cpu.brand_string'], options),
    outputOf('vm_stat', [], options),
  ]);
  const total = /^\d{1,15}$/.test(bytes.trim()) ? Number(bytes) : 0;
  if (total === 0) return [];
  const totalBytes = Math.floor(total * SHARED_MEMORY_PART);
  const available = parseVmStat(vmStat);
  return [
    {
      ...{ index: 0, name: name.trim() || 'Apple GPU', totalBytes },
      ...(available !== undefined && { freeBytes: Math.min(available, totalBytes) }),
    },
  ];
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
