"""The same way in, told to FastStream."""

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from services.runtime.kafka_access import KafkaSecurity, SaslMechanism

_KINDS = {
    SaslMechanism.SCRAM_SHA_512: SASLScram512,
    SaslMechanism.SCRAM_SHA_256: SASLScram256,
    SaslMechanism.PLAIN: SASLPlaintext,
}


def build_security(security: KafkaSecurity) -> BaseSecurity:
    """Raises OSError when a file is missing or is no certificate."""
    context, encrypted = security.ssl_context, security.protocol.is_encrypted
    if not security.protocol.wants_a_name:
        return BaseSecurity(ssl_context=context, use_ssl=encrypted)
    return _KINDS[security.mechanism](
        username=security.username,
        password=security.password.get_secret_value(),
        ssl_context=context,
        use_ssl=encrypted,
    )
