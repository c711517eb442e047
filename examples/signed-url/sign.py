# As sign.go.
import hashlib
import hmac
import os
import sys


def sign(secret, action, stream, expiry, client=""):
    text = "\n".join([action, stream, str(expiry), client])
    sig = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"exp={expiry}&sig={sig}"


print(sign(os.environ["SIGNING_SECRET"], *sys.argv[1:]))
