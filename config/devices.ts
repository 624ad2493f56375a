/** Checks the settings for client certificates: which users log in with one, and at which port. */
import { webSocketsPortOf } from "./access.ts";
import type { Values } from "./schema.ts";

type DeviceSettings = Pick<
    Values,
    | "users"
    | "devices"
    | "clientCertificates"
    | "clientCertificatePort"
    | "tls"
    | "port"
    | "webSockets"
    | "webSocketsPort"
>;

/** Default external port for clients with certificates. */
const CERTIFICATE_PORT = 10001;

export function certificatePortOf({
    clientCertificatePort,
}: Pick<DeviceSettings, "clientCertificatePort">): number {
    return clientCertificatePort ?? CERTIFICATE_PORT;
}

/** Checks that devices are users, that every user has a way to log in, and that ports differ. */
export function deviceProblems(data: DeviceSettings): string[] {
    const { clientCertificates: mode, devices } = data;
    const users = data.users.map(({ name }) => name);
    const problems = devices
        .filter((name) => !users.includes(name))
        .map((name) => `devices: ${name} is not in users; add it there with what it may do`);
    const others = users.filter((name) => !devices.includes(name));
    if (mode === "off" && devices.length > 0) {
        problems.push("devices: log in with certificates, but clientCertificates is off");
    }
    if (mode !== "off" && devices.length === 0) {
        problems.push(`devices: must name at least one user, since clientCertificates is ${mode}`);
    }
    if (mode === "required" && others.length > 0) {
        problems.push(
            `devices: must name all users, since clientCertificates is required and the others could not ` +
                `connect; missing: ${others.join(", ")}`,
        );
    }
    if (mode !== "off" && data.tls === "edge") {
        problems.push(
            `clientCertificates: is ${mode}, which needs tls: broker; Fly's edge requests none`,
        );
    }
    if (mode === "required" && data.webSockets !== "off") {
        problems.push(
            "webSockets: must be off with clientCertificates: required, since WebSocket clients log in with passwords",
        );
    }
    if (mode !== "optional" && data.clientCertificatePort !== undefined) {
        const now = mode === "required" ? "required, so all clients use port" : "off";
        problems.push(
            `clientCertificatePort: has a use only with clientCertificates: optional; that is ${now}; it is ` +
                `${data.clientCertificatePort}`,
        );
    }
    const port = certificatePortOf(data);
    if (mode === "optional" && port === data.port) {
        problems.push(`clientCertificatePort: must differ from port; both are ${port}`);
    }
    const webSockets = webSocketsPortOf(data);
    if (mode === "optional" && data.webSockets !== "off" && port === webSockets) {
        problems.push(`clientCertificatePort: must differ from webSocketsPort; both are ${port}`);
    }
    return problems;
}
