import type Docker from "dockerode";
import type { Readable } from "node:stream";
import { LABEL } from "./docker.ts";

interface DockerEvent {
    Action?: string;
    Actor?: { ID?: string; Attributes?: Record<string, string> };
}

/** Listens to Docker for exits of this instance's containers. */
export class Monitor {
    readonly #docker: Docker;
    readonly #instance: string;
    readonly #ended: (machine: string, container: string) => void;
    readonly #lost: () => void;
    #stream: Readable | undefined;
    #closed = false;

    /**
     * Starts listening.
     * @param lost called when events may have been missed, since Docker was away
     */
    constructor(
        docker: Docker,
        instance: string,
        ended: (machine: string, container: string) => void,
        lost: () => void,
    ) {
        this.#docker = docker;
        this.#instance = instance;
        this.#ended = ended;
        this.#lost = lost;
    }

    async start(): Promise<void> {
        const stream = (await this.#docker.getEvents({
            filters: {
                type: ["container"],
                event: ["die"],
                label: [`${LABEL.instance}=${this.#instance}`],
            },
        })) as Readable;
        this.#stream = stream;
        let rest = "";
        stream.on("data", (chunk: Buffer) => {
            const lines = (rest + chunk.toString()).split("\n");
            rest = lines.pop() ?? "";
            for (const line of lines) if (line.trim() !== "") this.#heard(line);
        });
        stream.on("error", () => undefined);
        stream.once("close", () => {
            if (!this.#closed) void this.#again();
        });
    }

    close(): void {
        this.#closed = true;
        this.#stream?.destroy();
    }

    #heard(line: string): void {
        const event = JSON.parse(line) as DockerEvent;
        const machine = event.Actor?.Attributes?.[LABEL.machine];
        const container = event.Actor?.ID;
        if (machine !== undefined && container !== undefined) this.#ended(machine, container);
    }

    async #again(): Promise<void> {
        while (!this.#closed) {
            await new Promise((resolve) => setTimeout(resolve, 500));
            try {
                await this.start();
                this.#lost();
                return;
            } catch {
                // Docker is still away.
            }
        }
    }
}
