/** Client certificates: which users log in with one, and at which port. */
import type { z } from "zod";
import { webSocketsPortOf } from "./access.ts";
import type { schema } from "./schema.ts";

type DeviceSettings = Pick<
    z.output<typeof schema>,
    | "users"
    | "devices"
    | "clientCertificates"
    | "clientCertificatePort"
    | "tls"
    | "port"
    | "webSockets"
    | "webSocketsPort"
>;

/** External port of those with certificates, unless the setting says another. */
const CERTIFICATE_PORT = 10001;

export function certificatePortOf({
    clientCertificatePort,
}: Pick<DeviceSettings, "clientCertificatePort">): number {
    return clientCertificatePort ?? CERTIFICATE_PORT;
}

/** Devices are users, and whoever is to connect can. */
export function deviceProblems(data: DeviceSettings): string[] {
    const { clientCertificates: mode, devices } = data;
    const users = data.users.map(({ name }) => name);
    const problems = devices
        .filter((name) => !users.includes(name))
        .map((name) => `devices: ${name} is not in users, which says what it may do`);
    const others = users.filter((name) => !devices.includes(name));
    if (mode === "off" && devices.length > 0) {
        problems.push("devices: log in with certificates, but clientCertificates is off");
    }
    if (mode !== "off" && devices.length === 0) {
        problems.push(`devices: must name at least one user, as clientCertificates is ${mode}`);
    }
    if (mode === "required" && others.length > 0) {
        problems.push(
            `devices: must name all users, as clientCertificates is required, or they could not ` +
                `connect; not in it: ${others.join(", ")}`,
        );
    }
    if (mode !== "off" && data.tls === "edge") {
        problems.push(
            `clientCertificates: is ${mode}, which needs tls: broker; Fly's edge asks for none`,
        );
    }
    if (mode === "required" && data.webSockets !== "off") {
        problems.push(
            "webSockets: must be off with clientCertificates: required, since they log in with passwords",
        );
    }
    if (mode !== "optional" && data.clientCertificatePort !== undefined) {
        const at = mode === "required" ? "required: all log in at port" : "off";
        problems.push(
            `clientCertificatePort: is for clientCertificates: optional, which is ${at}; it is ` +
                `${data.clientCertificatePort}`,
        );
    }
    const port = certificatePortOf(data);
    if (mode === "optional" && port === data.port) {
        problems.push(`clientCertificatePort: must not be the port of the others (${data.port})`);
    }
    const webSockets = webSocketsPortOf(data);
    if (mode === "optional" && data.webSockets !== "off" && port === webSockets) {
        problems.push(`clientCertificatePort: must not be that of WebSockets (${webSockets})`);
    }
    return problems;
}
