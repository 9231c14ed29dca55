// How much memory models may fill together. Pure, but for asking how much RAM there is.
import os from 'node:os';
import type { MachineMemory } from '../host-settings.ts';
import type { Device } from './device-text.ts';

/** Without a GPU models live in the machine's memory, and a quarter of that is left to everything else. */
const RAM_PART = 0.75;

/**
 * What models may fill together, in bytes: the device's memory less the margin. Never negative. `ramBytes` defaults to
 * what this process may use, which in a container is less than the machine has.
 */
export function deviceBudgetBytes(device: { totalGb: number; marginGb: number; ramBytes?: number }): number {
  const { totalGb, marginGb, ramBytes = usableRamBytes() } = device;
  const bytes = totalGb > 0 ? totalGb * 1024 ** 3 : ramBytes * RAM_PART;
  return Math.max(0, Math.floor(bytes - marginGb * 1024 ** 3));
}

function usableRamBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
}

/**
 * The same for each device, and for RAM where the devices have memory of their own: there, models that compute on the CPU
 * do not share it with those on a GPU.
 */
export function machineMemory(machine: {
  totalGb: number;
  marginGb: number;
  hasMemoryOfItsOwn: boolean;
  devices: readonly Device[];
}): MachineMemory {
  const { totalGb, marginGb } = machine;
  const known = machine.devices.filter(({ totalBytes }) => totalBytes > 0);
  const deviceBytes = deviceBudgetBytes({ totalGb, marginGb });
  if (!machine.hasMemoryOfItsOwn) return { deviceBytes };
  return {
    deviceBytes,
    devices: known.map(({ index, totalBytes }) => ({
      index,
      bytes: deviceBudgetBytes({ totalGb: totalBytes / 1024 ** 3, marginGb }),
    })),
    ramBytes: deviceBudgetBytes({ totalGb: 0, marginGb }),
  };
}
