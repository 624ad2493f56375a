import { connect, createServer, type AddressInfo } from "node:net";

export interface Forwarder {
    /** Port on 127.0.0.1. */
    port: number;
    /** Address that connections go to; if undefined they are closed. */
    to: string | undefined;
    close(): void;
}

/**
 * Forwards a port on loopback to a port of a container. Docker's own published port accepts connections
 * before the container has a network, and then holds them for a second.
 */
export async function forward(port: number): Promise<Forwarder> {
    const server = createServer((client) => {
        client.on("error", () => client.destroy());
        if (forwarder.to === undefined) {
            client.destroy();
            return;
        }
        const upstream = connect({ host: forwarder.to, port, noDelay: true });
        upstream.on("error", () => client.destroy());
        upstream.on("close", () => client.destroy());
        client.on("close", () => upstream.destroy());
        client.pipe(upstream);
        upstream.pipe(client);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const forwarder: Forwarder = {
        port: (server.address() as AddressInfo).port,
        to: undefined,
        close: () => server.close(),
    };
    return forwarder;
}
