/** Says that a step met something else than it must. */
export class Unexpected extends Error {
    constructor(expected: string, seen: string) {
        super(`expected ${expected}, saw: ${seen}`);
    }
}
