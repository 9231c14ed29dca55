// Which GPUs there are, and the driver where it can be had. The memory figure is the one that the worker uses
// (device-probe.ts); names and driver are for people, and only NVIDIA's tools tell them.
import { outputOf, probeDevice } from '../device-probe.ts';

export type GpuCheck = {
  /** GiB of all devices together, 0 when none was found. */
  readonly totalGb: number;
  /** Where the figure was read. */
  readonly source: string;
  readonly devices: readonly { readonly name: string; readonly totalGb?: number; readonly freeGb?: number }[];
  readonly driver?: string;
  readonly warnings: readonly string[];
};

export async function checkGpu(): Promise<GpuCheck> {
  const [device, text] = await Promise.all([probeDevice(), askNvidiaSmi()]);
  const { devices, driver } = parseDevices(text);
  const { totalGb, source, warnings } = device;
  return { totalGb, source, devices, ...(driver !== undefined && { driver }), warnings };
}

async function askNvidiaSmi(): Promise<string> {
  const query = '--query-gpu=name,driver_version,memory.total,memory.free';
  return outputOf('nvidia-smi', [query, '--format=csv,noheader,nounits']);
}

/** One line a device: name, driver, MiB in all, MiB free; a figure may be `[N/A]`. */
export function parseDevices(text: string): Pick<GpuCheck, 'devices' | 'driver'> {
  const rows = text.split(/\r?\n/).map((line) => line.split(',').map((cell) => cell.trim()));
  const whole = rows.filter((row) => row.length === 4);
  const devices = whole.map(([name = '', , total, free]) => ({
    name,
    ...gib('totalGb', total),
    ...gib('freeGb', free),
  }));
  const driver = whole[0]?.[1];
  return { devices, ...(driver && { driver }) };
}

function gib<Key extends string>(key: Key, mib: string | undefined): { [K in Key]?: number } {
  if (mib === undefined || !/^\d+$/.test(mib)) return {};
  return { [key]: Math.round((Number(mib) / 1024) * 100) / 100 } as { [K in Key]?: number };
}
