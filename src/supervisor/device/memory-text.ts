// Reads amounts of device memory out of what drivers and system tools print. Pure: text in, GiB out, 0 for "not there".

/** Several devices count together, as upstream's workers report them. */
export type MemoryReading = { readonly gib: number; readonly badLines: readonly string[] };

const MIB_PER_GIB = 1024;
const BYTES_PER_GIB = 1024 ** 3;

/** `/proc/driver/nvidia/gpus/<bus id>/information`; newer drivers leave the line out. */
export function parseProcNvidia(text: string): MemoryReading {
  const lines = text.split('\n').filter((line) => /^Video Memory:/i.test(line.trim()));
  return sum(lines, (line) => {
    const [, amount, unit] = /:\s*(\d+(?:\.\d+)?)\s*(MiB|MB|GiB|GB)\s*$/i.exec(line) ?? [];
    if (amount === undefined || unit === undefined) return undefined;
    return unit.toLowerCase().startsWith('m') ? Number(amount) / MIB_PER_GIB : Number(amount);
  });
}

/** `nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits`: MiB, one line a device, `[N/A]` on some. */
export function parseNvidiaSmi(text: string): MemoryReading {
  return sum(nonEmptyLines(text), (line) => (/^\d+(\.\d+)?$/.test(line) ? Number(line) / MIB_PER_GIB : undefined));
}

/** Bytes, one amount a line: AMD's `mem_info_vram_total`, `sysctl -n hw.memsize`, Windows' `AdapterRAM`. */
export function parseBytes(text: string): MemoryReading {
  return sum(nonEmptyLines(text), (line) => (/^\d+$/.test(line) ? Number(line) / BYTES_PER_GIB : undefined));
}

function nonEmptyLines(text: string): string[] {
  return text.split(/\r?\n/).flatMap((line) => line.trim() || []);
}

function sum(lines: readonly string[], gibOf: (line: string) => number | undefined): MemoryReading {
  let gib = 0;
  const badLines: string[] = [];
  for (const line of lines) {
    const amount = gibOf(line);
    if (amount === undefined) badLines.push(line.trim().slice(0, 80));
    else gib += amount;
  }
  return { gib, badLines };
}
