// Which GPUs there are, one by one, with what is free on each and the driver where it can be had. Both come from the source
// that the worker itself asks (device/probe.ts, device/devices.ts).
import type { Device } from '../device/device-text.ts';
import { listDevices } from '../device/devices.ts';
import { type ProbeOptions, probeDevice } from '../device/probe.ts';

export type GpuCheck = {
  /** GiB of all devices together, 0 when none was found. */
  readonly totalGb: number;
  /** Where the figure was read. */
  readonly source: string;
  readonly devices: readonly GpuLine[];
  readonly driver?: string;
  readonly warnings: readonly string[];
};

/** One device, as people are shown it. What its driver does not say is left out. */
export type GpuLine = {
  readonly index: number;
  readonly name: string;
  readonly uuid?: string;
  readonly totalGb?: number;
  readonly freeGb?: number;
  readonly utilisation?: number;
};

export async function checkGpu(options: ProbeOptions = {}): Promise<GpuCheck> {
  const { totalGb, source, warnings } = await probeDevice(options);
  const devices = await listDevices(source, options);
  const driver = devices[0]?.driver;
  return { totalGb, source, devices: devices.map(gpuLine), ...(driver !== undefined && { driver }), warnings };
}

export function gpuLine({ index, name, uuid, totalBytes, freeBytes, utilisation }: Device): GpuLine {
  return {
    ...{ index, name },
    ...(uuid !== undefined && { uuid }),
    ...(totalBytes > 0 && { totalGb: gib(totalBytes) }),
    ...(freeBytes !== undefined && { freeGb: gib(freeBytes) }),
    ...(utilisation !== undefined && { utilisation }),
  };
}

export function gpuText({ index, name, totalGb, freeGb, utilisation }: GpuLine): string {
  const sizes = totalGb === undefined ? '' : `, ${totalGb} GiB`;
  const free = freeGb === undefined ? '' : `, ${freeGb} GiB free`;
  const busy = utilisation === undefined ? '' : `, ${Math.round(utilisation * 100)} % busy`;
  return `${index} ${name}${sizes}${free}${busy}`;
}

function gib(bytes: number): number {
  return Math.round((bytes / 1024 ** 3) * 100) / 100;
}
