// Types of what we use of packages that bring none.

declare module 'fs-native-extensions' {
  /** False when another open file description holds a lock that excludes this one. The lock ends with the descriptor. */
  export function tryLock(fd: number, options?: { shared?: boolean }): boolean;
}

declare module 'pino-roll' {
  type SonicBoom = ReturnType<typeof import('pino').destination>;

  export default function openRollingFile(options: {
    file: string;
    extension: string;
    size: string;
    limit: { count: number; removeOtherLogFiles: boolean };
    mkdir?: boolean;
    sync?: boolean;
    mode?: number;
    maxLength?: number;
  }): Promise<SonicBoom>;
}
