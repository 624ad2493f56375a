import type Docker from "dockerode";
import { dockerStatus } from "./docker.ts";

/** A line that a machine wrote to its standard output or error. */
export interface LogLine {
    /** Time in RFC 3339, with nanoseconds. */
    at: string;
    text: string;
}

const KEPT = 100;
const KEPT_MACHINES = 100;
/**
 * Length of the header that Docker puts before each piece of output: the stream, and in the last four
 * bytes the length.
 */
const HEADER = 8;

/** Keeps the last lines of each machine, including earlier boots whose containers are gone. */
export class Logs {
    readonly #docker: Docker;
    readonly #earlier = new Map<string, LogLine[]>();

    constructor(docker: Docker) {
        this.#docker = docker;
    }

    /** Saves a container's lines before it is removed. */
    async keep(machine: string, container: string): Promise<void> {
        const lines = [...(this.#earlier.get(machine) ?? []), ...(await this.#read(container))];
        this.#earlier.delete(machine);
        this.#earlier.set(machine, lines.slice(-KEPT));
        const [oldest] = this.#earlier.keys();
        if (this.#earlier.size > KEPT_MACHINES && oldest !== undefined)
            this.#earlier.delete(oldest);
    }

    /** Lists a machine's lines, oldest first. */
    async of(machine: string, container: string | undefined): Promise<LogLine[]> {
        const present = container === undefined ? [] : await this.#read(container);
        return [...(this.#earlier.get(machine) ?? []), ...present].slice(-KEPT);
    }

    async #read(container: string): Promise<LogLine[]> {
        let output: Buffer;
        try {
            output = await this.#docker
                .getContainer(container)
                .logs({ stdout: true, stderr: true, timestamps: true, tail: KEPT });
        } catch (error) {
            if (dockerStatus(error) === undefined) throw error;
            return [];
        }
        return [...pieces(output)]
            .join("")
            .split("\n")
            .flatMap((line) => {
                const space = line.indexOf(" ");
                return space < 0 ? [] : [{ at: line.slice(0, space), text: line.slice(space + 1) }];
            });
    }
}

/** Splits output into pieces without their headers, which a terminal's output does not have. */
function* pieces(output: Buffer): Generator<string> {
    if (output.length > 0 && output[0]! > 2) {
        yield output.toString();
        return;
    }
    for (let at = 0; at + HEADER <= output.length;) {
        const end = at + HEADER + output.readUInt32BE(at + 4);
        yield output.subarray(at + HEADER, end).toString();
        at = end;
    }
}
