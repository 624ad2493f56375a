/** Reports that a step saw something other than expected. */
export class Unexpected extends Error {
    constructor(expected: string, seen: string) {
        super(`expected ${expected}, saw: ${seen}`);
    }
}
