// Asks the browser for a passkey, or has it make one, and sends what it answers. Without scripts the page says so.
(function () {
  "use strict";

  function toBytes(text) {
    var plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, function (letter) {
      return letter.charCodeAt(0);
    }).buffer;
  }

  function toText(bytes) {
    var plain = String.fromCharCode.apply(null, new Uint8Array(bytes));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function known(list) {
    return (list || []).map(function (one) {
      return Object.assign({}, one, { id: toBytes(one.id) });
    });
  }

  function toCreate(options) {
    if (PublicKeyCredential.parseCreationOptionsFromJSON) {
      return PublicKeyCredential.parseCreationOptionsFromJSON(options);
    }
    return Object.assign({}, options, {
      challenge: toBytes(options.challenge),
      user: Object.assign({}, options.user, { id: toBytes(options.user.id) }),
      excludeCredentials: known(options.excludeCredentials)
    });
  }

  function toGet(options) {
    if (PublicKeyCredential.parseRequestOptionsFromJSON) {
      return PublicKeyCredential.parseRequestOptionsFromJSON(options);
    }
    return Object.assign({}, options, {
      challenge: toBytes(options.challenge),
      allowCredentials: known(options.allowCredentials)
    });
  }

  function asJson(credential) {
    if (credential.toJSON) {
      return credential.toJSON();
    }
    var given = credential.response;
    var response = { clientDataJSON: toText(given.clientDataJSON) };
    if (given.attestationObject) {
      response.attestationObject = toText(given.attestationObject);
      response.transports = given.getTransports ? given.getTransports() : [];
    } else {
      response.authenticatorData = toText(given.authenticatorData);
      response.signature = toText(given.signature);
      response.userHandle = given.userHandle ? toText(given.userHandle) : null;
    }
    return {
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: response
    };
  }

  function ask(form) {
    var options = JSON.parse(form.getAttribute("data-options")).publicKey;
    if (form.getAttribute("data-passkey") === "create") {
      return navigator.credentials.create({ publicKey: toCreate(options) });
    }
    return navigator.credentials.get({ publicKey: toGet(options) });
  }

  function say(form, text) {
    var place = form.querySelector("[data-passkey-error]");
    if (place) {
      place.textContent = text;
      place.hidden = text === "";
    }
  }

  function prepare(form) {
    var busy = false;
    function run() {
      if (busy) {
        return;
      }
      busy = true;
      say(form, "");
      Promise.resolve()
        .then(function () {
          return ask(form);
        })
        .then(function (credential) {
          form.querySelector("[name=response]").value = JSON.stringify(asJson(credential));
          form.submit();
        })
        .catch(function (error) {
          busy = false;
          say(
            form,
            error && error.name === "InvalidStateError"
              ? "This device holds a passkey for this account already."
              : "That didn't work, or it took too long. Try again, or choose another way."
          );
        });
    }
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      run();
    });
    if (form.hasAttribute("data-passkey-now")) {
      run();
    }
  }

  if (!window.PublicKeyCredential || !navigator.credentials) {
    return;
  }
  document.querySelectorAll("[data-passkey-none]").forEach(function (text) {
    text.hidden = true;
  });
  document.querySelectorAll("form[data-passkey]").forEach(prepare);
})();
