// Types of what we use of packages that bring none.

declare module 'fs-native-extensions' {
  /** False when another open file description holds the lock, which ends with its descriptor. */
  export function tryLock(fd: number): boolean;
}
