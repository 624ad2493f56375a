import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below the system's range for outgoing connections, one of which could take the port meanwhile. */
const PORTS = [20_000, 32_000] as const;

/** TCP ports of 127.0.0.1 that are free. */
export async function freePorts(count: number): Promise<number[]> {
    const ports = new Set<number>();
    while (ports.size < count) {
        const port = randomInt(...PORTS);
        if (await isFree(port)) ports.add(port);
    }
    return [...ports];
}

function isFree(port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const server = createServer();
        server.once("error", () => resolve(false));
        server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
}
