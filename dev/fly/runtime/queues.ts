/** Runs jobs one after another per key; jobs with different keys run side by side. */
export class Queues {
    readonly #tails = new Map<string, Promise<void>>();

    /**
     * Adds a job.
     * @param job must not reject
     */
    add(key: string, job: () => Promise<void>): void {
        const tail = (this.#tails.get(key) ?? Promise.resolve()).then(job);
        this.#tails.set(key, tail);
        void tail.then(() => {
            if (this.#tails.get(key) === tail) this.#tails.delete(key);
        });
    }

    /** Resolves when no job is left, including those added meanwhile. */
    async idle(): Promise<void> {
        while (this.#tails.size > 0) await Promise.all(this.#tails.values());
    }
}
