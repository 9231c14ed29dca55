// Reads devices, one by one, out of what drivers and system tools say. Pure: text in, devices out; a line that is not
// understood is no device.

/** One GPU. Memory in bytes; what the driver does not say is left out. */
export type Device = {
  /** As the tool that was asked counts them, from 0. */
  readonly index: number;
  readonly name: string;
  /** NVIDIA's and AMD's own name of this very card, the same after any change of the hardware around it. */
  readonly uuid?: string;
  readonly driver?: string;
  /** 0 when the driver does not say. */
  readonly totalBytes: number;
  readonly freeBytes?: number;
  readonly usedBytes?: number;
  /** 0 to 1: the part of the last moment in which it computed. */
  readonly utilisation?: number;
};

const MIB = 1024 ** 2;

export const NVIDIA_QUERY = [
  '--query-gpu=index,name,uuid,driver_version,memory.total,memory.used,memory.free,utilization.gpu',
  '--format=csv,noheader,nounits',
];

/** Columns after the name, which itself might hold a comma. */
const NVIDIA_COLUMNS_AFTER_NAME = 6;

/** What nvidia-smi answers to `NVIDIA_QUERY`. A figure may be `[N/A]`, and so may all of them on unified memory. */
export function parseNvidiaDevices(text: string): Device[] {
  return text.split(/\r?\n/).flatMap((line): Device[] => {
    const cells = line.split(',').map((cell) => cell.trim());
    const index = whole(cells[0]);
    if (index === undefined || cells.length < NVIDIA_COLUMNS_AFTER_NAME + 2) return [];
    const name = cells.slice(1, -NVIDIA_COLUMNS_AFTER_NAME).join(', ');
    const [uuid, driver, total, used, free, busy] = cells.slice(-NVIDIA_COLUMNS_AFTER_NAME);
    return [
      {
        ...{ index, name: name || 'NVIDIA GPU' },
        ...(uuid?.startsWith('GPU-') && { uuid }),
        ...(driver !== undefined && /^[\d.]+$/.test(driver) && { driver }),
        totalBytes: mib(total) ?? 0,
        ...given('usedBytes', mib(used)),
        ...given('freeBytes', mib(free)),
        ...given('utilisation', percent(busy)),
      },
    ];
  });
}

/** `/proc/driver/nvidia/gpus/<bus id>/information`, for a container without nvidia-smi. */
export function parseProcNvidiaDevice(text: string, index: number): Device | undefined {
  const name = /^Model:\s*(\S.*?)\s*$/m.exec(text)?.[1];
  if (name === undefined) return undefined;
  const uuid = /^GPU UUID:\s*(GPU-[0-9a-f-]+)\s*$/im.exec(text)?.[1];
  const [, amount, unit] = /^Video Memory:\s*(\d+)\s*(MiB|MB|GiB|GB)\s*$/im.exec(text) ?? [];
  const unitBytes = unit?.toLowerCase().startsWith('g') ? 1024 * MIB : MIB;
  return { index, name, ...(uuid && { uuid }), totalBytes: amount === undefined ? 0 : Number(amount) * unitBytes };
}

/** The files of one card below `/sys/class/drm/card<n>/device`, as far as they are there. */
export type AmdFiles = {
  readonly total: string;
  readonly used: string;
  readonly busy: string;
  readonly product: string;
  readonly uniqueId: string;
};

/** Undefined for a card that is not driven by amdgpu, which alone has these files. */
export function parseAmdDevice(files: AmdFiles, index: number): Device | undefined {
  const totalBytes = whole(files.total);
  if (totalBytes === undefined || totalBytes === 0) return undefined;
  const usedBytes = whole(files.used);
  const uuid = files.uniqueId.trim();
  return {
    ...{ index, name: files.product.trim() || 'AMD GPU' },
    ...(/^[0-9a-f]{8,32}$/i.test(uuid) && { uuid }),
    totalBytes,
    ...given('usedBytes', usedBytes),
    ...given('freeBytes', usedBytes === undefined ? undefined : Math.max(0, totalBytes - usedBytes)),
    ...given('utilisation', percent(files.busy)),
  };
}

/** What `vm_stat` prints on a Mac: pages that can be had without taking them from a program. */
export function parseVmStat(text: string): number | undefined {
  const pageBytes = whole(/page size of (\d+) bytes/.exec(text)?.[1]);
  const pages = (what: string): number | undefined =>
    whole(new RegExp(`^Pages ${what}:\\s+(\\d+)`, 'm').exec(text)?.[1]);
  const free = pages('free');
  if (pageBytes === undefined || free === undefined) return undefined;
  const available = free + (pages('inactive') ?? 0) + (pages('speculative') ?? 0) + (pages('purgeable') ?? 0);
  return available * pageBytes;
}

/** PowerShell's JSON of `Win32_VideoController`: one object, or a list of them. */
export function parseCimDevices(text: string): Device[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const rows: unknown[] = Array.isArray(value) ? value : [value];
  return rows.flatMap((row, index): Device[] => {
    const { Name: name, AdapterRAM: bytes } = (row ?? {}) as { Name?: unknown; AdapterRAM?: unknown };
    if (typeof name !== 'string' || typeof bytes !== 'number' || !(bytes > 0)) return [];
    return [{ index, name: name.trim(), totalBytes: bytes }];
  });
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}

function whole(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^\d{1,15}$/.test(trimmed) ? Number(trimmed) : undefined;
}

function mib(text: string | undefined): number | undefined {
  const amount = whole(text);
  return amount === undefined ? undefined : amount * MIB;
}

function percent(text: string | undefined): number | undefined {
  const amount = whole(text);
  return amount === undefined ? undefined : Math.min(1, amount / 100);
}
