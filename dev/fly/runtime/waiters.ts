/** Lets requests wait for a condition that a change of state can fulfil. */
export class Waiters {
    readonly #looks = new Set<() => void>();
    readonly #ends = new Set<() => void>();

    /**
     * Runs `check` now and after every change, until it returns a value.
     * @returns undefined when there was none within `timeoutMs`
     */
    async until<T>(check: () => T | undefined, timeoutMs: number): Promise<T | undefined> {
        const first = check();
        if (first !== undefined || timeoutMs <= 0) return first;
        return new Promise((resolve) => {
            const finish = (value: T | undefined) => {
                clearTimeout(timer);
                this.#looks.delete(look);
                this.#ends.delete(giveUp);
                resolve(value);
            };
            const look = () => {
                const value = check();
                if (value !== undefined) finish(value);
            };
            const giveUp = () => finish(undefined);
            const timer = setTimeout(giveUp, timeoutMs);
            this.#looks.add(look);
            this.#ends.add(giveUp);
        });
    }

    changed(): void {
        for (const look of [...this.#looks]) look();
    }

    close(): void {
        for (const giveUp of [...this.#ends]) giveUp();
    }
}
