/**
 * Draws the API's document with Swagger UI, which came before this as a script of its own.
 */
const swagger = /** @type {{SwaggerUIBundle: (options: object) => void}} */ (/** @type {unknown} */ (window));

swagger.SwaggerUIBundle({
  url: '/api/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  // Its badge is a picture of somebody else's server.
  validatorUrl: null,
});
