/** What somebody may have at once, and how much of it they have. It is kept in memory, for this process alone. */
export function createSlots(most: number) {
  const taken = new Map<string, number>();
  return {
    /** Takes one and returns what gives it back, or null when `key` has as many as it may. */
    take(key: string): (() => void) | null {
      const count = taken.get(key) ?? 0;
      if (count >= most) return null;
      taken.set(key, count + 1);
      let isGiven = false;
      return () => {
        if (isGiven) return;
        isGiven = true;
        const left = (taken.get(key) ?? 1) - 1;
        if (left === 0) taken.delete(key);
        else taken.set(key, left);
      };
    },
  };
}
