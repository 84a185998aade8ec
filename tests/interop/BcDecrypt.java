/*
 * BcDecrypt <LIST - open messages by Bouncy Castle. Each line of LIST is
 * "DIRECTORY KEYS": signature.der and key.der (PKCS#8) in DIRECTORY, cert.pem
 * in KEYS; the content goes to DIRECTORY/bc.out. Says "good DIRECTORY: how" or
 * "bad DIRECTORY: why".
 */
import java.io.BufferedReader;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;

import org.bouncycastle.asn1.ASN1InputStream;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientId;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.RecipientInformationStore;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientId;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientId;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class BcDecrypt {
	public static void main(String[] args) throws Exception {
		BufferedReader in =
		    new BufferedReader(new InputStreamReader(System.in));
		String line;

		Security.addProvider(new BouncyCastleProvider());
		while ((line = in.readLine()) != null) {
			String[] words = line.split(" ");

			try {
				System.out.println("good " + words[0] + ": " +
				    open(words[0], words[1]));
			} catch (Exception e) {
				System.out.println("bad " + words[0] + ": " +
				    e);
			}
		}
	}

	private static String open(String directory, String keys)
	    throws Exception {
		byte[] der = Files.readAllBytes(
		    new File(directory, "signature.der").toPath());
		RecipientInformationStore recipients = recipients(der);
		X509Certificate cert;

		try (FileInputStream in = new FileInputStream(
		    new File(keys, "cert.pem"))) {
			cert = (X509Certificate) CertificateFactory
			    .getInstance("X.509", "BC")
			    .generateCertificate(in);
		}
		boolean rsa = cert.getPublicKey().getAlgorithm().equals("RSA");
		PrivateKey key = KeyFactory
		    .getInstance(rsa ? "RSA" : "EC", "BC").generatePrivate(
		    new PKCS8EncodedKeySpec(Files.readAllBytes(
		    new File(directory, "key.der").toPath())));
		RecipientId id = rsa ? new JceKeyTransRecipientId(cert) :
		    new JceKeyAgreeRecipientId(cert);
		RecipientInformation recipient = recipients.get(id);
		if (recipient == null)
			throw new Exception("not a recipient");
		Recipient how = rsa ?
		    new JceKeyTransEnvelopedRecipient(key).setProvider("BC") :
		    new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
		Files.write(new File(directory, "bc.out").toPath(),
		    recipient.getContent(how));
		return recipient.getKeyEncryptionAlgOID();
	}

	private static RecipientInformationStore recipients(byte[] der)
	    throws Exception {
		ContentInfo info = ContentInfo.getInstance(
		    new ASN1InputStream(der).readObject());

		if (info.getContentType().equals(
		    CMSObjectIdentifiers.authEnvelopedData))
			return new CMSAuthEnvelopedData(der)
			    .getRecipientInfos();
		return new CMSEnvelopedData(der).getRecipientInfos();
	}
}
