// What is free on the device now, for whoever asks often: the host before and after each load, the metrics, the status.
// It bounds how often a program such as nvidia-smi is started, which takes a driver 30 ms at best and a second at worst.
import type { Device } from './device-text.ts';
import { type ListOptions, listDevices } from './devices.ts';
import type { ProbedDevice } from './probe.ts';

/** The host polls every 250 ms for memory to come back, and each of its looks must be a fresh one. */
const FRESH_MS = 200;
/** After an answer that was none, such as from a driver that hangs, nobody is kept waiting for it again so soon. */
const SILENT_MS = 30_000;
/** Shorter than at the start: a load waits for it. */
const TIMEOUT_MS = 2_000;

export interface DeviceWatch {
  /** Where its figures come from. */
  readonly source: ProbedDevice['source'];
  /** At most a moment old. Empty when there is no GPU. */
  list(): Promise<readonly Device[]>;
  /** Of one device, or of all together; undefined when one of them does not say, or there is none. */
  freeBytes(device?: number): Promise<number | undefined>;
}

export type DeviceWatchOptions = ListOptions & { readonly freshMs?: number; readonly silentMs?: number };

export function openDeviceWatch(source: ProbedDevice['source'], options: DeviceWatchOptions = {}): DeviceWatch {
  const { freshMs = FRESH_MS, silentMs = SILENT_MS, ...listOptions } = options;
  let asked: Promise<readonly Device[]> | undefined;
  let freshUntil = 0;

  async function ask(): Promise<readonly Device[]> {
    const devices = await listDevices(source, { timeoutMs: TIMEOUT_MS, ...listOptions });
    freshUntil = performance.now() + (devices.length > 0 ? freshMs : silentMs);
    return devices;
  }

  function list(): Promise<readonly Device[]> {
    if (source === 'unknown') return Promise.resolve([]);
    if (asked === undefined || performance.now() > freshUntil) {
      // Everybody who asks before the answer is there gets that one.
      freshUntil = Number.POSITIVE_INFINITY;
      asked = ask();
    }
    return asked;
  }

  return {
    source,
    list,
    async freeBytes(device) {
      const all = await list();
      return freeOf(device === undefined ? all : all.filter(({ index }) => index === device));
    },
  };
}

export function freeOf(devices: readonly Device[]): number | undefined {
  let sum = 0;
  for (const { freeBytes } of devices) {
    if (freeBytes === undefined) return undefined;
    sum += freeBytes;
  }
  return devices.length > 0 ? sum : undefined;
}
