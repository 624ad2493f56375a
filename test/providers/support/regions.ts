const REGIONS = [
    ["lhr", "London, United Kingdom", 51.5, -0.5],
    ["ams", "Amsterdam, Netherlands", 52.4, 4.9],
    ["cdg", "Paris, France", 48.9, 2.4],
    ["iad", "Ashburn, Virginia (US)", 39.0, -77.5],
    ["lax", "Los Angeles, California (US)", 33.9, -118.4],
    ["syd", "Sydney, Australia", -33.9, 151.2],
] as const;

/** Fly's regions, as its OpenAPI document has them. */
export const LOWERCASE = {
    nearest: "lhr",
    regions: [
        ...REGIONS.map(([code, name, latitude, longitude]) => ({
            code,
            name,
            latitude,
            longitude,
        })),
        { code: "waw", name: "Warsaw, Poland", latitude: 52.2, longitude: 21, deprecated: true },
    ],
};

/** The same as the live API answers, other than the document says. */
export const PASCALCASE = {
    Nearest: "lhr",
    Regions: REGIONS.map(([Code, Name, Latitude, Longitude]) => ({
        Code,
        Name,
        Latitude,
        Longitude,
    })),
};
